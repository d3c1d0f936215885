import { spawn, type ChildProcess } from 'node:child_process';
import { chmodSync, cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { inject } from 'vitest';
import { testPlaces } from '../support/servers.js';

/** What a set-up ended with. */
export interface SetUpResult {
  readonly status: number | null;
  readonly output: string;
}

/** An empty machine of a test's own: a folder for what set-up makes, and a folder of programs that stand for the outside. */
export class EmptyMachine {
  readonly tools = mkdtempSync(join(inject('testServers').folder, 'tools-'));
  readonly programs = mkdtempSync(join(inject('testServers').folder, 'programs-'));
  private readonly extra: Record<string, string> = {};

  /** Adds a program to the front of the PATH. */
  program(name: string, script: string): this {
    const file = join(this.programs, name);
    writeFileSync(file, `#!/bin/sh\n${script}\n`);
    chmodSync(file, 0o755);
    return this;
  }

  /** Sets a variable. */
  set(name: string, value: string): this {
    this.extra[name] = value;
    return this;
  }

  /** Leaves a program out of the PATH, wherever it lies, by linking everything else. */
  without(...left: readonly string[]): this {
    const links = mkdtempSync(join(inject('testServers').folder, 'path-'));
    for (const folder of (process.env['PATH'] ?? '').split(delimiter)) {
      if (!existsSync(folder)) continue;
      for (const name of readdirSync(folder)) {
        if (left.some((start) => name.startsWith(start)) || existsSync(join(links, name))) continue;
        try {
          symlinkSync(join(folder, name), join(links, name));
        } catch {
          // A broken link of the machine's own.
        }
      }
    }
    return this.set('PATH', `${this.programs}${delimiter}${links}`);
  }

  /** Takes what an earlier set-up of the clone made for some steps. */
  having(step: string, ...parts: readonly string[]): this {
    const made = testPlaces().tools;
    mkdirSync(join(this.tools, 'stamps'), { recursive: true });
    cpSync(join(made, 'stamps', `${step}.json`), join(this.tools, 'stamps', `${step}.json`));
    for (const part of parts) {
      mkdirSync(join(this.tools, part, '..'), { recursive: true });
      symlinkSync(join(made, part), join(this.tools, part));
    }
    return this;
  }

  /** Starts a set-up without bundles. */
  start(): { child: ChildProcess; ended: Promise<SetUpResult>; saw: (text: string) => Promise<void> } {
    const child = spawn(process.execPath, [join(testPlaces().root, 'tools', 'setup.mjs'), '--no-build'], {
      env: {
        ...process.env,
        PATH: `${this.programs}${delimiter}${process.env['PATH'] ?? ''}`,
        TMPDIR: mkdtempSync(join(inject('testServers').folder, 'empty-')),
        ...nothingOutside,
        ...this.extra,
        PERENNIAL_TOOLS: this.tools,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    const waiting: { text: string; resolve: () => void }[] = [];
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (chunk: Buffer) => {
        output += chunk.toString();
        for (const { text, resolve } of waiting) if (output.includes(text)) resolve();
      });
    }
    const ended = new Promise<SetUpResult>((resolve) => child.once('close', (status) => resolve({ status, output })));
    const saw = (text: string): Promise<void> =>
      Promise.race([
        new Promise<void>((resolve) => (output.includes(text) ? resolve() : void waiting.push({ text, resolve }))),
        ended.then(() => Promise.reject(new Error(`set-up ended without saying "${text}":\n${output}`))),
      ]);
    return { child, ended, saw };
  }

  /** Runs a set-up without bundles to its end. */
  async run(): Promise<SetUpResult> {
    return this.start().ended;
  }
}

const nowhere = 'http://127.0.0.1:9';

/** Nothing can be fetched, and nothing lies in a cache. */
const nothingOutside = {
  TEMPORAL_DOWNLOAD_URL: nowhere,
  TEMPORAL_CLI_PATH: '',
  TEMPORAL_ADDRESS: '',
  PIP_CONFIG_FILE: '/dev/null',
  PIP_INDEX_URL: `${nowhere}/simple`,
  PIP_EXTRA_INDEX_URL: '',
  PIP_FIND_LINKS: '',
  PIP_NO_CACHE_DIR: '1',
  GOPROXY: nowhere,
  GOFLAGS: '',
};
