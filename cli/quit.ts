/**
 * How a command ends early: a text for stderr and an exit code, thrown by parsers and caught once, in main.ts.
 *
 * Texts and codes are iproute2's (lib/utils.c): 255 for words that cannot be read, 1 for what the client itself finds
 * wrong, 2 for what the kernel, here the daemon, refuses.
 */

export const EXIT_FAILURE = 1;
export const EXIT_REFUSED = 2;
export const EXIT_USAGE = 255;

export const KEYS_HIDDEN = "<<Keys hidden>>";
/** Longer than any number: a key, perhaps in a wrong place. */
const LIKE_A_KEY = /0x[0-9a-f]{17,}/gi;

export class Quit extends Error {
  /** iproute2 repeats any word that it can't read; a key stays out of terminals and logs. */
  /** `exits`: iproute2 calls exit(3) here, which ends a batch too. */
  constructor(readonly exitCode: number, message: string, readonly exits: boolean = exitCode === EXIT_USAGE) {
    super(message.replace(LIKE_A_KEY, KEYS_HIDDEN));
  }
}

/** A word that cannot be read. Some of iproute2's reasons end in a newline of their own. */
export function invalidArgument(reason: string, word: string): Quit {
  return new Quit(EXIT_USAGE, `Error: argument "${word}" is wrong: ${reason}`);
}

export function missingArgument(what: string): Quit {
  return new Quit(EXIT_USAGE, `Error: argument "${what}" is required`);
}

export function duplicateArgument(what: string, word: string): Quit {
  return new Quit(EXIT_USAGE, `Error: duplicate "${what}": "${word}" is the second value.`);
}

export function duplicateOrGarbage(what: string, word: string): Quit {
  return new Quit(EXIT_USAGE, `Error: either "${what}" is duplicate, or "${word}" is a garbage.`);
}

export function incompleteCommand(): Quit {
  return new Quit(EXIT_USAGE, `Command line is not complete. Try option "help"`);
}

export function unknownCommand(word: string, help: string): Quit {
  return new Quit(EXIT_USAGE, `Command "${word}" is unknown, try "${help}".`);
}

/** A word of iproute2 that asks for something a gateway does not have. */
export function notSupported(word: string): Quit {
  return new Quit(EXIT_FAILURE, `Cannot set "${word}": not supported by vti-gateway`);
}
