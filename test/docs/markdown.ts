/** What the tests of the documentation need of Markdown. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** The repository's root. */
export const root = join(import.meta.dirname, '..', '..');

export interface CodeBlock {
  language: string;
  code: string;
  /** Line of the file that the block's code begins in. */
  line: number;
}

/** The text of a file, by its path from the repository's root. */
export function readDocument(path: string): string {
  return readFileSync(join(root, path), 'utf8');
}

/** Fenced code blocks in order. */
export function codeBlocks(text: string): CodeBlock[] {
  return [...text.matchAll(/^```(\w+)\n(.*?)^```$/gms)].map((match) => ({
    language: match[1] ?? '',
    code: match[2] ?? '',
    line: text.slice(0, match.index).split('\n').length + 1,
  }));
}

/** The text without its code blocks. */
export function prose(text: string): string {
  return text.replace(/^```.*?^```$/gms, '');
}

/** Targets of links and images, without those that lead out of the repository. */
export function localLinks(text: string): string[] {
  const links = [...prose(text).matchAll(/\]\(([^)\s]+)\)/g)].map((match) => match[1] ?? '');
  return links.filter((link) => !/^[a-z]+:/.test(link));
}

/** The anchors that GitHub gives to a document's headings. */
export function anchors(text: string): string[] {
  const headings = [...prose(text).matchAll(/^#+ (.+)$/gm)].map((match) => match[1] ?? '');
  return headings.map((heading) =>
    heading
      .toLowerCase()
      .replace(/[^\w\- ]/g, '')
      .replaceAll(' ', '-'),
  );
}

/** The `rnm-td3` commands of a document's shell blocks and sessions: command and flags. */
export function commandLines(text: string): { command: string; flags: string[]; line: string }[] {
  const shell = codeBlocks(text).filter(({ language }) => ['sh', 'console'].includes(language));
  const lines = shell.flatMap(({ code }) => code.replaceAll('\\\n', ' ').split('\n'));
  return lines.flatMap((line) => {
    const match = /(?:rnm-td3|dist\/cli\/main\.js) ((?:bench )?[a-z]+)(.*)$/.exec(line);
    if (match === null || /^(Training|Trained|Wrote)/.test(line)) return [];
    const flags = (match[2] ?? '').match(/(?<= )--[a-z-]+/g) ?? [];
    return [{ command: match[1] ?? '', flags: [...flags], line }];
  });
}
