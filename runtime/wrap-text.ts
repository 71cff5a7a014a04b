/**
 * Wraps text at spaces, into lines of at most `width` characters where its words allow it. Line
 * breaks within a paragraph are ignored. Paragraphs are separated by an empty line, and an item
 * that begins with "- " has its own lines.
 */
export function wrapText(text: string, width: number): string {
  return text
    .split(/\n\s*\n/)
    .map((paragraph) =>
      itemsOf(paragraph)
        .map((item) => wrapItem(item, width))
        .join('\n'),
    )
    .join('\n\n');
}

/** Indents every line of a text that is not empty. */
export function indentText(text: string, indent: string): string {
  return text.replace(/^(?=.)/gm, indent);
}

function itemsOf(paragraph: string): string[] {
  const items: string[] = [];
  for (const line of paragraph.split('\n').map((part) => part.trim())) {
    if (items.length === 0 || line.startsWith('- ')) items.push(line);
    else items.push(`${items.pop()} ${line}`);
  }
  return items;
}

function wrapItem(item: string, width: number): string {
  const hanging = item.startsWith('- ') ? '  ' : '';
  const lines: string[] = [];
  for (const word of item.split(/\s+/)) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 1 + word.length <= width) lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(lines.length === 0 ? word : hanging + word);
  }
  return lines.join('\n');
}
