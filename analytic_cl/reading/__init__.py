"""Reading features, labels, ids and names from files, by one set of rules. Nothing is ever unpickled.

A member of an .npz or .safetensors file, or a column of a table, is named after a colon: ``data.npz:X_train``. A
folder, or a pattern such as ``part-*.parquet``, stands for its files, one after another.
"""

from analytic_cl.reading.arrays import arrays_of_npz as arrays_of_npz
from analytic_cl.reading.arrays import read_npy as read_npy
from analytic_cl.reading.columns import Column as Column
from analytic_cl.reading.columns import column_name as column_name
from analytic_cl.reading.columns import read_column as read_column
from analytic_cl.reading.columns import split_name as split_name
from analytic_cl.reading.csv_table import read_records as read_records
from analytic_cl.reading.features import FeatureRows as FeatureRows
from analytic_cl.reading.features import FeatureStream as FeatureStream
from analytic_cl.reading.features import feature_columns as feature_columns
from analytic_cl.reading.features import open_features as open_features
from analytic_cl.reading.features import read_features as read_features
from analytic_cl.reading.streams import stream_batches as stream_batches
from analytic_cl.reading.tables import open_table as open_table
from analytic_cl.reading.text import integers_if_all as integers_if_all
from analytic_cl.reading.text import is_integer as is_integer
