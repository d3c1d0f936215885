import { createServer, type Server } from 'node:net';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { choosePort, freePort, isFree, samePort } from '../../tools/ports.mjs';

const servers: Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});

async function takenPort(): Promise<number> {
  const server = createServer();
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

describe('a port', () => {
  it('that is a default and taken moves to the next free one and says so', async () => {
    const taken = await takenPort();
    const lines: string[] = [];
    const port = await choosePort({
      what: 'the gateway',
      preferred: taken,
      variable: 'SOME_PORT',
      env: {},
      say: (line) => lines.push(line),
    });
    expect(port).toBeGreaterThan(taken);
    expect(await isFree(port)).toBe(true);
    expect(lines).toEqual([`port ${taken} for the gateway is taken; using ${port} (set SOME_PORT to choose one)`]);
  });

  it('that is drawn is none that a system gives to outgoing connections', async () => {
    const drawn = await Promise.all(Array.from({ length: 50 }, () => freePort()));
    expect(drawn.every((port) => port >= 15_000 && port < 32_000)).toBe(true);
    expect(new Set(drawn).size).toBeGreaterThan(40);
  });

  it('that is a default and free is taken without a word', async () => {
    const preferred = await freePort();
    expect(await choosePort({ what: 'the gateway', preferred, say: () => expect.unreachable() })).toBe(preferred);
  });

  it('that a variable asks for and that is taken is an error that names the variable', async () => {
    const taken = await takenPort();
    const asked = choosePort({ what: 'the gateway', preferred: 0, variable: 'SOME_PORT', env: { SOME_PORT: String(taken) } });
    await expect(asked).rejects.toThrow(`Port ${taken} for the gateway is taken: SOME_PORT asks for it`);
  });

  it.each(['0', '70000', 'eighty', '80.5'])('of %s is refused', async (value) => {
    const asked = choosePort({ what: 'the gateway', preferred: 0, variable: 'SOME_PORT', env: { SOME_PORT: value } });
    await expect(asked).rejects.toThrow(`SOME_PORT=${value} is not a port`);
  });

  it('given to another that does not listen yet is left alone', async () => {
    const preferred = await freePort();
    expect(await choosePort({ what: 'the gateway', preferred, except: new Set([preferred]) })).not.toBe(preferred);
  });

  it('of a server that comes back is the same, or an error that says who needs it', async () => {
    const [free, taken] = [await freePort(), await takenPort()];
    expect(await samePort({ what: 'Postgres', port: free })).toBe(free);
    await expect(samePort({ what: 'Postgres', port: taken })).rejects.toThrow(`Port ${taken} of Postgres is taken: it was there before`);
  });
});
