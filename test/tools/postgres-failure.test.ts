import { mkdtempSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, inject, it } from 'vitest';
import { postgresFailure } from '../../adapters/postgres/failures.js';
import { cannotStart, lastLine, lastWords } from '../../tools/servers/postgres-failure.mjs';

const full = `2026-11-21 20:25:50.600 UTC [7] ERROR:  could not extend file "base/1/2674": No space left on device
2026-11-21 20:25:50.601 UTC [7] HINT:  Check free disk space.
2026-11-21 20:25:50.662 UTC [7] PANIC:  cannot abort transaction 1, it was already committed
child process was terminated by signal 6: Aborted
initdb: removing contents of data directory "/nowhere/data.new"`;

describe('what Postgres says when it cannot start', () => {
  it('is that its disk is full, whatever it says about it afterwards, and what to do is to free some', () => {
    const why = lastLine(full);
    expect(why).toContain('could not extend file "base/1/2674": No space left on device');
    expect(cannotStart(why, '/nowhere/postgres.log').message).toMatch(
      /Free some space where \/nowhere\/postgres\.log lies, or put everything/,
    );
  });

  it('is otherwise its last word that tells something, in its log', () => {
    const why = lastLine('LOG:  starting\nFATAL:  could not open file "global/pg_control"\nLOG:  database system is shut down');
    expect(why).toBe('FATAL:  could not open file "global/pg_control"');
    expect(cannotStart(why, '/nowhere/postgres.log').message).toMatch(/Read \/nowhere\/postgres\.log, or set DATABASE_URL/);
  });

  it('is of this start, and not what it answered to those who asked too early', () => {
    const file = join(mkdtempSync(join(inject('testServers').folder, 'log-')), 'postgres.log');
    const before = 'FATAL:  of an earlier start\n';
    writeFileSync(file, `${before}PANIC:  could not locate a valid checkpoint record\nFATAL:  the database system is starting up\n`);
    expect(lastWords(file, before.length)).toBe('PANIC:  could not locate a valid checkpoint record');
  });
});

describe('a failure of the registry', () => {
  it('says that the disk of Postgres is full', () => {
    const error = Object.assign(new Error('could not write init file: No space left on device'), { code: '53100' });
    expect(postgresFailure(error)).toMatchObject({
      type: 'Unavailable',
      message: 'The disk of Postgres is full: could not write init file: No space left on device. Free some space there.',
    });
  });
});
