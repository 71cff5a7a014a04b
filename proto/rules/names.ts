import { domainToASCII } from 'node:url';

const DNS_LABEL = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;
const AGENT_ID = /^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/;
const AGENT_ID_CHARACTERS_MAX = 253;

/** Whether `text` is a valid id of an entry: a DNS label (RFC 1123). */
export function isEntryId(text: string): boolean {
  return DNS_LABEL.test(text);
}

/**
 * Whether `text` is a valid id of an agent: letters, digits, `-` and `.`, as in a host's full name.
 */
export function isAgentId(text: string): boolean {
  return AGENT_ID.test(text);
}

/**
 * A valid id made from a host's name: `WEB_01.` → `web-01`. Equal host names give equal ids. Empty
 * when the name has neither a letter nor a digit.
 */
export function hostToId(host: string): string {
  // Punycode keeps non-ASCII names distinct.
  const ascii = /^\p{ASCII}*$/u.test(host) ? host : domainToASCII(host);
  const id = ascii.toLowerCase().replace(/[^a-z0-9.-]+/g, '-');
  return id
    .replace(/^[.-]+/, '')
    .slice(0, AGENT_ID_CHARACTERS_MAX)
    .replace(/[.-]+$/, '');
}

/** `nginx-access` → `entries/nginx-access`. */
export function entryName(id: string): string {
  return `entries/${id}`;
}

/** `entries/nginx-access` → `nginx-access`; undefined if it is not an entry's name. */
export function entryId(name: string): string | undefined {
  return idAfter('entries/', name, isEntryId);
}

/** `entries/nginx-access` → `nginx-access`, for display; any other text is returned as it is. */
export function shortEntryName(name: string): string {
  return withoutPrefix('entries/', name);
}

/** `ctl-1` → `controllers/ctl-1`. */
export function controllerName(id: string): string {
  return `controllers/${id}`;
}

/** `web-17` → `agents/web-17`. */
export function agentName(id: string): string {
  return `agents/${id}`;
}

/** `agents/web-17` → `web-17`; undefined if it is not an agent's name. */
export function agentId(name: string): string | undefined {
  return idAfter('agents/', name, isAgentId);
}

/** `agents/web-17` → `web-17`, for display; any other text is returned as it is. */
export function shortAgentName(name: string): string {
  return withoutPrefix('agents/', name);
}

function withoutPrefix(prefix: string, name: string): string {
  return name.startsWith(prefix) ? name.slice(prefix.length) : name;
}

function idAfter(prefix: string, name: string, isId: (text: string) => boolean): string | undefined {
  const id = name.startsWith(prefix) ? name.slice(prefix.length) : '';
  return isId(id) ? id : undefined;
}
