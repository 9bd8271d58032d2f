"""Learn on many workers and from rows that no memory holds, with the bits of one process."""

from analytic_cl.distributed.partitioned import PartitionedStore as PartitionedStore
from analytic_cl.distributed.states import reduce_states as reduce_states
