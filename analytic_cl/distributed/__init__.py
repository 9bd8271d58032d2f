"""Learn on many workers and from rows that no memory holds, with the bits of one process."""

from analytic_cl.distributed.dask_engine import fit as fit
from analytic_cl.distributed.dask_engine import forget as forget
from analytic_cl.distributed.dask_engine import partial_fit as partial_fit
from analytic_cl.distributed.dask_engine import predict as predict
from analytic_cl.distributed.partitioned import PartitionedStore as PartitionedStore
from analytic_cl.distributed.states import reduce_states as reduce_states
