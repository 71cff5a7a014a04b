/** A file's sections: values by key, both in lower case. What stands before the first section is in the section ''. */
export type IniFile = ReadonlyMap<string, ReadonlyMap<string, string>>;

/** A line that is neither a section, a setting nor a comment. */
export class IniError extends Error {
  override readonly name = 'IniError';
}

/**
 * Reads what the course's agents read by Go's package ini (https://ini.unknwon.io): `key = value` or `key : value`; what is behind `#` or `;`
 * is a comment, except in quotes; of equal keys the last one counts. Line ends may be Windows', and a byte order mark is passed over.
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
