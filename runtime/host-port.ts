const HOST_PORT = /^(\[[0-9a-fA-F:]+\]|[^:/\s,]+):(\d{1,5})$/;
const PORT_MAX = 65_535;

/** Whether `text` is `host:port`, with a name, an IPv4 address, or an IPv6 address in brackets. */
export function isHostPort(text: string): boolean {
  const port = HOST_PORT.exec(text)?.[2];
  return port !== undefined && Number(port) <= PORT_MAX;
}

/** Converts `host:port`, or an http or https URL with a port, to a URL. Otherwise undefined. */
export function httpUrl(text: string): string | undefined {
  const [, scheme = 'http://', address = ''] = /^(https?:\/\/)?(.*?)\/?$/.exec(text) ?? [];
  return isHostPort(address) ? scheme + address : undefined;
}
