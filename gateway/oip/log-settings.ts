import type { Log } from '../log.js';
import type { Reply } from '../http/reply.js';
import { json } from '../http/reply.js';
import { parseJsonBody } from '../http/json-body.js';
import { invalid } from '../http/request-error.js';
import { isObject, kindOf, quote } from './oip-request.js';

/** Which lines of the gateway's log are written: the protocol's logging extension. */
export class LogSettings {
  readonly #log: Log;
  #info = true;
  #warning = true;
  #error = true;
  #verbose = 0;

  constructor(log: Log) {
    this.#log = log;
  }

  /** Writes a line unless its level is switched off. */
  readonly log: Log = (line) => {
    const isOn = line.level === 'info' ? this.#info : line.level === 'warn' ? this.#warning : this.#error;
    if (isOn) this.#log(line);
  };

  /** Whether every request gets a line. */
  get isVerbose(): boolean {
    return this.#verbose > 0;
  }

  /** `GET /v2/logging`. */
  tell(): Reply {
    return json(200, {
      log_file: '',
      log_info: this.#info,
      log_warning: this.#warning,
      log_error: this.#error,
      log_verbose_level: this.#verbose,
      log_format: 'default',
    });
  }

  /** `POST /v2/logging`: takes over the settings that are given, all of them or, when one is wrong, none. */
  change(body: Buffer, maxJsonDepth: number): Reply {
    const given = parseJsonBody(body, maxJsonDepth);
    if (!isObject(given)) throw invalid(`the log settings are ${kindOf(given)}: a JSON object is expected`);
    for (const [name, value] of Object.entries(given)) check(name, value);
    this.#info = (given['log_info'] as boolean | undefined) ?? this.#info;
    this.#warning = (given['log_warning'] as boolean | undefined) ?? this.#warning;
    this.#error = (given['log_error'] as boolean | undefined) ?? this.#error;
    this.#verbose = (given['log_verbose_level'] as number | undefined) ?? this.#verbose;
    return this.tell();
  }
}

function check(name: string, value: unknown): void {
  switch (name) {
    case 'log_info':
    case 'log_warning':
    case 'log_error':
      if (typeof value !== 'boolean') throw invalid(`${name} is ${kindOf(value)}: true or false is expected`);
      return;
    case 'log_verbose_level':
      if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0)
        throw invalid(`log_verbose_level is ${quote(value)}: a whole number of 0 or more is expected`);
      return;
    case 'log_file':
      if (value === '') return;
      throw invalid('log_file cannot be changed over the network: the log goes where the process was started to write it');
    case 'log_format':
      if (value === 'default') return;
      throw invalid(`log_format is ${quote(value)}: "default" (JSON lines with ISO 8601 times) is the one there is`);
    default:
      throw invalid(`${quote(name)} is no log setting: log_info, log_warning, log_error and log_verbose_level are`);
  }
}
