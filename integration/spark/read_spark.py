"""Print the rows of the Parquet files below DIR as Spark has them with no schema given, as one JSON object: Count and Rows.

    read_spark.py DIR
"""

import json
import sys

from pyspark.sql import SparkSession
from pyspark.sql.functions import date_format

from plain import plain

spark = SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false").config("spark.driver.bindAddress", "127.0.0.1").config("spark.driver.host", "127.0.0.1") \
    .config("spark.sql.session.timeZone", "UTC").config("spark.sql.parquet.mergeSchema", "true").getOrCreate()
spark.sparkContext.setLogLevel("ERROR")
table = spark.read.option("recursiveFileLookup", "true").parquet(sys.argv[1])
times = table.withColumn("created_at", date_format("created_at", "yyyy-MM-dd'T'HH:mm:ss.SSSSSSXXX"))  # Python's would lack the zone
rows = [row.asDict(recursive=True) for row in times.collect()]
print(json.dumps({"Count": table.count(), "Rows": [plain(row) for row in rows]}))
