"""Frozen extractors, and the pipeline that puts one in front of a head."""

from analytic_cl.extractors.adaptation import adapt_first_session as adapt_first_session
from analytic_cl.extractors.base import Extractor as Extractor
from analytic_cl.extractors.base import ExtractorWarning as ExtractorWarning
from analytic_cl.extractors.cache import CacheWarning as CacheWarning
from analytic_cl.extractors.callable import CallableExtractor as CallableExtractor
from analytic_cl.extractors.concat import ConcatExtractor as ConcatExtractor
from analytic_cl.extractors.oriented_gradients import OrientedGradients as OrientedGradients
from analytic_cl.extractors.pipeline import ContinualPipeline as ContinualPipeline
from analytic_cl.extractors.sentences import SentenceTransformerExtractor as SentenceTransformerExtractor
from analytic_cl.extractors.timm_models import TimmExtractor as TimmExtractor
from analytic_cl.extractors.torch_modules import TorchExtractor as TorchExtractor
from analytic_cl.extractors.transformers_models import TransformersExtractor as TransformersExtractor
