import type { ColumnType } from 'kysely';

/** `jsonb`: read as the value, written as its JSON text (`json(value)`), since the driver would turn an array into a Postgres array. */
export type JsonColumn<T> = ColumnType<T, string, string>;
export type NullableJsonColumn<T> = ColumnType<T | null, string | null | undefined, string | null>;

/** `timestamptz`, UTC. Left out at insert where the database has a default. */
export type TimeColumn = ColumnType<Date, Date | undefined, Date>;
export type RequiredTimeColumn = ColumnType<Date, Date, Date>;
export type NullableTimeColumn = ColumnType<Date | null, Date | null | undefined, Date | null>;

/** A nullable column that may be left out at insert. */
export type Nullable<T> = ColumnType<T | null, T | null | undefined, T | null>;

/** The text of a `jsonb` value. Throws a `TypeError` on what JSON has no form for, as `undefined` at the top. */
export function json(value: unknown): string {
  const text = JSON.stringify(value) as string | undefined;
  if (text === undefined) throw new TypeError(`a ${typeof value} has no JSON form`);
  return text;
}
