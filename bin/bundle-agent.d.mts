/** Writes the bundled agent, main.js and its chunks, into `folder`. */
export function bundleAgent(folder: string): Promise<void>;
