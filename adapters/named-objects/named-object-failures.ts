import { PerennialError } from '../../domain/errors.js';

export function elsewhere(location: string, place: string): PerennialError {
  return new PerennialError('DataInvalid', `${JSON.stringify(location.slice(0, 200))} is not below ${place}: bring the input there`);
}

export function absent(location: string): PerennialError {
  return new PerennialError('DataInvalid', `there is nothing at ${JSON.stringify(location.slice(0, 200))}: bring the input there first`);
}

export function tooLarge(location: string, { bytes, maxBytes }: { bytes: number; maxBytes: number }): PerennialError {
  return new PerennialError('DataInvalid', `${JSON.stringify(location.slice(0, 200))} has ${bytes} bytes: at most ${maxBytes} are taken`);
}
