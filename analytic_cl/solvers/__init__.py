"""State to weights: pure functions, one family a file."""

from analytic_cl.solvers.class_gaussian import GaussianScores as GaussianScores
from analytic_cl.solvers.class_gaussian import class_gaussian as class_gaussian
from analytic_cl.solvers.discriminant import Discriminants as Discriminants
from analytic_cl.solvers.discriminant import DiscriminantScores as DiscriminantScores
from analytic_cl.solvers.discriminant import discriminants as discriminants
from analytic_cl.solvers.discriminant import shrunk_means_lda as shrunk_means_lda
from analytic_cl.solvers.lda import lda as lda
from analytic_cl.solvers.linear import LinearScores as LinearScores
from analytic_cl.solvers.nearest_mean import cosine_nearest_mean as cosine_nearest_mean
from analytic_cl.solvers.nearest_mean import euclidean_nearest_mean as euclidean_nearest_mean
from analytic_cl.solvers.needs import Solver as Solver
from analytic_cl.solvers.needs import check_provides as check_provides
from analytic_cl.solvers.needs import needs as needs
from analytic_cl.solvers.novelty import Normality as Normality
from analytic_cl.solvers.novelty import known_class_odds as known_class_odds
from analytic_cl.solvers.novelty import leverage as leverage
from analytic_cl.solvers.novelty import own_class_odds as own_class_odds
from analytic_cl.solvers.read_out import READ_OUTS as READ_OUTS
from analytic_cl.solvers.read_out import ReadOut as ReadOut
from analytic_cl.solvers.read_out import read_out as read_out
from analytic_cl.solvers.ridge import cross_products as cross_products
from analytic_cl.solvers.ridge import regularised as regularised
from analytic_cl.solvers.ridge import ridge as ridge
from analytic_cl.solvers.ridge import ridge_scores as ridge_scores
from analytic_cl.solvers.shrinkage import CANDIDATES as CANDIDATES
from analytic_cl.solvers.shrinkage import Shrinkage as Shrinkage
