import type { IncomingHttpHeaders } from 'node:http';
import { RequestError } from '../http/request-error.js';

const loopbackHost = /^(localhost|127(\.\d{1,3}){3}|\[::1\])(:\d{1,5})?$/i;

/**
 * Refuses what a web page of somebody else sends through a visitor's browser: another site's Origin, and, while the
 * gateway answers everybody on loopback, a Host that is no name of loopback (a name of the page's own that was made to
 * point here). Programs that are no browsers send neither Origin nor Sec-Fetch-Site. Throws a `RequestError` `forbidden`.
 */
export function refuseOtherSites(headers: IncomingHttpHeaders, of: { readonly open: boolean; readonly hosts: readonly string[] }): void {
  const host = (headers.host ?? '').toLowerCase();
  // Browsers always name their host; calls that came by gRPC have none.
  if (of.open && host !== '' && !loopbackHost.test(host) && !of.hosts.includes(host) && !of.hosts.includes('*'))
    throw new RequestError(
      'forbidden',
      `Host "${host.slice(0, 200)}" is not one that this gateway answers for without a key: make a key, or add the name to PERENNIAL_API_HOSTS`,
    );
  const { origin } = headers;
  if (origin !== undefined && origin.toLowerCase() !== `http://${host}` && origin.toLowerCase() !== `https://${host}`)
    throw new RequestError('forbidden', `Origin "${origin.slice(0, 200)}" may not call this`);
  const site = headers['sec-fetch-site'];
  if (site === 'cross-site' || site === 'same-site') throw new RequestError('forbidden', 'a page of another site may not call this');
}
