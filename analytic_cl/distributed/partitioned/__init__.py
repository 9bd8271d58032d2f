"""One store in many parts, each a store of its own that a worker can open; see docs/partitioned.md."""

from analytic_cl.distributed.partitioned.store import PartitionedStore as PartitionedStore
