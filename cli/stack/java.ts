/**
 * Which Java runs the stack. The `java` on the PATH is often an older one than the newest installed, and the registry
 * dies at once on it (`UnsupportedClassVersionError`), so we look further than the PATH before we say that none is there.
 */
import { existsSync, readdirSync, readFileSync, realpathSync } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { TributaryError } from '../../core/errors.ts';

/** Kafka 4.4 would run on 17; Apicurio Registry 3.3 is compiled for 21 (class file 65). */
const javaNeeded = 21;

export interface Java {
  readonly home: string;
  readonly major: number;
  /** Where we came upon it, for the sentence shown to a person. */
  readonly from: string;
}

/** Folders that hold one JDK per entry, by installer: Linux packages, macOS, SDKMAN, IDEs, asdf, mise, Homebrew. */
function usualFolders(home: string): string[] {
  return [
    '/usr/lib/jvm',
    '/usr/java',
    '/opt',
    '/opt/java',
    '/Library/Java/JavaVirtualMachines',
    '/opt/homebrew/opt',
    '/usr/local/opt',
    join(home, '.sdkman/candidates/java'),
    join(home, '.jdks'),
    join(home, '.asdf/installs/java'),
    join(home, '.local/share/mise/installs/java'),
  ];
}

/** Every JDK carries a `release` file with its version; reading it costs nothing, asking each `java` would take seconds. */
function javaAt(folder: string, from: string): Java | undefined {
  for (const home of [folder, join(folder, 'Contents/Home'), join(folder, 'libexec/openjdk.jdk/Contents/Home')]) {
    const release = join(home, 'release');
    if (!existsSync(join(home, 'bin/java')) || !existsSync(release)) continue;
    const version = /^JAVA_VERSION="(?:1\.)?(\d+)/m.exec(readFileSync(release, 'utf8'))?.[1];
    if (version !== undefined) return { home: realpathSync(home), major: Number(version), from };
  }
  return undefined;
}

function everyJava(env: NodeJS.ProcessEnv, folders: readonly string[]): Java[] {
  const found: (Java | undefined)[] = [];
  if (env['JAVA_HOME']) found.push(javaAt(env['JAVA_HOME'], 'JAVA_HOME'));
  for (const folder of (env['PATH'] ?? '').split(delimiter)) {
    const java = join(folder, 'java');
    if (folder !== '' && existsSync(java)) found.push(javaAt(dirname(dirname(realpathSync(java))), 'PATH'));
  }
  for (const folder of folders) {
    if (!existsSync(folder)) continue;
    for (const entry of readdirSync(folder)) found.push(javaAt(join(folder, entry), folder));
  }
  return found.filter((java) => java !== undefined);
}

/** The user's own choice first (JAVA_HOME, PATH) where it fits, else the newest that is installed. */
export function findJava(env: NodeJS.ProcessEnv = process.env, folders = usualFolders(homedir())): Java {
  const found = everyJava(env, folders);
  const fits = found.filter((java) => java.major >= javaNeeded);
  const chosen = fits.find((java) => java.from === 'JAVA_HOME' || java.from === 'PATH');
  const best = chosen ?? fits.toSorted((a, b) => b.major - a.major)[0];
  if (best !== undefined) return best;
  const seen = [...new Set(found.map((java) => `Java ${java.major} in ${java.home}`))].join(', ');
  throw new TributaryError(
    'HOST_LACKS',
    `The local stack needs a JDK of version ${javaNeeded} or newer; found ${seen || 'no Java at all'} (looked at JAVA_HOME, PATH and the usual folders)`,
  );
}

export function describeJava(java: Java): string {
  return `Java ${java.major} from ${java.from} (${java.home})`;
}
