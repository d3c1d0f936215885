/**
 * How Parquet is written, as the end of a COPY. A dictionary pays for few values; a column with more than so many is not kept in
 * one up to DuckDB's own limit (a fifth of a row group), only to give it up: that took a third of the time of writing measurements.
 */
export const parquet = '(FORMAT parquet, COMPRESSION snappy, DICTIONARY_SIZE_LIMIT 1024)';
