const HOST_PORT = /^(\[[0-9a-fA-F:]+\]|[^:/\s,]+):(\d{1,5})$/;
const PORT_MAX = 65_535;

/** Whether `text` is `host:port`, the host being a name, an IPv4 address, or an IPv6 address in brackets. */
export function isHostPort(text: string): boolean {
  const port = HOST_PORT.exec(text)?.[2];
  return port !== undefined && Number(port) <= PORT_MAX;
}

/** `host:port` or a URL of http or https with a port → the URL; undefined for anything else. */
export function httpUrl(text: string): string | undefined {
  const [, scheme = 'http://', address = ''] = /^(https?:\/\/)?(.*?)\/?$/.exec(text) ?? [];
  return isHostPort(address) ? scheme + address : undefined;
}
