// Package spark proves that Spark reads our Parquet files as they are, under the build tags integration and spark: it is not part of `make integration`, since Spark is 470 MB and a
// minute of two cores. `make spark-check` runs it.
package spark
