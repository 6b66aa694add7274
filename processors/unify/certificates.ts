/** Holes that were read again: what the connectors say of them, for people. */
import type { Certificate } from '../../schemas/types.ts';
import type { Platform, World } from './world.ts';

const ways: Readonly<Record<Certificate['method'], string>> = {
  modified: 'rows that changed since it began were read again',
  all: 'every row was read again',
  named: 'the records named were read again',
};

export function certify(world: World, platform: Platform, certificate: Certificate): void {
  const { hole, method, read, changed, deleted } = certificate;
  const reason = `${hole}: ${ways[method]}: ${read} read, of which ${changed} had changed in it and ${deleted} were deleted`;
  world.journal({ id: platform, kind: 'certificate', reason, certificate });
}
