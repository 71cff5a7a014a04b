/**
 * Values by section and key, both in lower case. Keys before the first section are in section ''.
 */
export type IniFile = ReadonlyMap<string, ReadonlyMap<string, string>>;

/** A line is neither a section, a setting nor a comment. */
export class IniError extends Error {
  override readonly name = 'IniError';
}

/**
 * Parses as Go's package ini does (https://ini.unknwon.io): `key = value` or `key : value`. `#` and
 * `;` start a comment, except in quotes. The last of equal keys counts. Accepts CRLF and a byte
 * order mark.
 */
export function parseIni(text: string): IniFile {
  const sections = new Map<string, Map<string, string>>();
  let section = new Map<string, string>();
  sections.set('', section);
  for (const [index, raw] of text
    .replace(/^\uFEFF/, '')
    .split(/\r\n|\n|\r/)
    .entries()) {
    const line = raw.trim();
    if (line === '' || /^[#;]/.test(line)) continue;
    const name = /^\[([^\]]*)\]\s*([#;].*)?$/.exec(line)?.[1];
    if (name !== undefined) {
      section = sections.get(name.trim().toLowerCase()) ?? new Map();
      sections.set(name.trim().toLowerCase(), section);
      continue;
    }
    const [, key, value] = /^([^=:]+?)\s*(?::=|[=:])\s*(.*)$/.exec(line) ?? [];
    if (key === undefined)
      throw new IniError(`line ${index + 1}: neither [section] nor key = value: ${line.slice(0, 80)}`);
    section.set(unquoted(key).toLowerCase(), unquoted(value ?? ''));
  }
  return sections;
}

function unquoted(text: string): string {
  const quoted = /^("""|["'`])(.*?)\1/.exec(text)?.[2];
  return quoted ?? text.replace(/[#;].*$/, '').trim();
}
