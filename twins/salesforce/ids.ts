const base62 = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
/** The characters by which the platform tells its instances apart. */
const instance = 'Tw0';
const suffixes = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ012345';

/** Each suffix character tells which of five characters are upper case, so that ids survive tools that ignore case. */
function suffix(id15: string): string {
  let out = '';
  for (let block = 0; block < 15; block += 5) {
    let bits = 0;
    for (let i = 0; i < 5; i++) if (/[A-Z]/.test(id15.charAt(block + i))) bits |= 1 << i;
    out += suffixes.charAt(bits);
  }
  return out;
}

/** The 18-character form of a 15- or 18-character id; undefined for anything else. */
export function normalizeId(id: string): string | undefined {
  if (/^[0-9A-Za-z]{15}$/.test(id)) return id + suffix(id);
  return /^[0-9A-Za-z]{18}$/.test(id) && suffix(id.slice(0, 15)) === id.slice(15).toUpperCase()
    ? id.slice(0, 15) + suffix(id.slice(0, 15))
    : undefined;
}

/** Ids grow in the order of the alphabet's bytes, as keyset paging by Id relies on. */
export function makeId(keyPrefix: string, sequence: number): string {
  let digits = '';
  for (let rest = sequence; digits.length < 9; rest = Math.floor(rest / 62)) digits = base62.charAt(rest % 62) + digits;
  const id15 = `${keyPrefix}${instance}${digits}`;
  return id15 + suffix(id15);
}
