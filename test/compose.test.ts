import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Command } from 'commander';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { roles } from '../cli/roles.ts';
import { runCommand } from '../cli/run.ts';
import { topicsCommand } from '../cli/topics.ts';
import { intercomTwinCommand } from '../twins/intercom/command.ts';
import { salesforceTwinCommand } from '../twins/salesforce/command.ts';
import { root } from './support/sources.ts';

interface Service {
  readonly image: string;
  readonly command?: readonly string[];
  readonly ports?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>;
}
const read = (name: string): string => readFileSync(join(root, name), 'utf8');
const { services } = parse(read('docker-compose.yml'), { merge: true }) as { services: Record<string, Service> };
const ours = Object.entries(services).filter(([, { image }]) => image === 'tributary');

describe('docker-compose.yml', () => {
  test('runs every role that there is, once', () => {
    const run = ours.flatMap(([, { command = [] }]) => (command[0] === 'run' ? [command[1]] : []));
    expect(run.toSorted((a = '', b = '') => a.localeCompare(b))).toEqual(
      roles.map(({ name }) => name).toSorted((a, b) => a.localeCompare(b)),
    );
  });

  test('starts our services with commands and options that the command line knows', () => {
    const twins = new Command('twin').addCommand(salesforceTwinCommand()).addCommand(intercomTwinCommand());
    const all = new Command('tributary').addCommand(runCommand()).addCommand(topicsCommand()).addCommand(twins);
    for (const [name, { command = [] }] of ours) {
      let at = all;
      const words = [...command];
      for (let next: Command | undefined = all; next; next = at.commands.find((inner) => inner.name() === words[0])) {
        if (next !== all) words.shift();
        at = next;
      }
      expect(at, `${name}: \`tributary ${command.join(' ')}\` is no command`).toHaveProperty('commands', []);
      expect(at.parseOptions(words).unknown, `${name}: unknown options`).toEqual([]);
    }
  });

  test('waits only for services that exist', () => {
    const wanted = Object.values(services).flatMap(({ depends_on = {} }) => Object.keys(depends_on));
    expect(wanted.filter((name) => services[name] === undefined)).toEqual([]);
  });

  test('publishes ports on loopback only', () => {
    const ports = Object.values(services).flatMap(({ ports = [] }) => ports);
    expect(ports.length).toBeGreaterThan(0);
    expect(ports.filter((port) => !port.startsWith('127.0.0.1:'))).toEqual([]);
  });

  test('gives secrets to the roles that need them and to no others', () => {
    const given = roles.map(({ name }) => [name, Object.keys(services[name]?.environment ?? {})] as const);
    const holders = (secret: string): string[] =>
      given.flatMap(([name, keys]) => (keys.includes(secret) ? [name] : []));
    const needing = (setting: string): string[] =>
      roles.flatMap(({ name, needs }) => (needs.includes(setting) ? [name] : []));
    expect(holders('SALESFORCE_CLIENT_SECRET')).toEqual(needing('salesforce.clientSecret'));
    expect(holders('INTERCOM_TOKEN')).toEqual(needing('intercom.token'));
    // Not needed, for it does without webhooks too.
    expect(holders('INTERCOM_CLIENT_SECRET')).toEqual(['connect-intercom']);
  });

  test('runs the versions that the native stack and the container tier run', () => {
    const pom = read('cli/stack/pom.xml');
    const version = (artifact: string): string | undefined =>
      new RegExp(`<artifactId>${artifact}</artifactId>\\s*<version>([^<]+)<`).exec(pom)?.[1];
    expect(services['kafka']?.image).toBe(`apache/kafka:${version('kafka_2.13')}`);
    expect(services['registry']?.image).toBe(`apicurio/apicurio-registry:${version('apicurio-registry-app')}`);
    for (const name of ['kafka', 'registry', 'redis']) {
      expect(read('test/support/stack-setup.ts')).toContain(`'${services[name]?.image}'`);
    }
  });
});

describe('the Dockerfile', () => {
  const text = read('Dockerfile');
  const copied = [...text.matchAll(/^COPY (?!--from)(.+) \S+$/gm)].flatMap(([, names = '']) => names.split(' '));

  test('copies what exists, and .dockerignore lets exactly that through', () => {
    expect(copied.filter((name) => !existsSync(join(root, name)))).toEqual([]);
    const allowed = read('.dockerignore')
      .split('\n')
      .flatMap((line) => (line.startsWith('!') ? [line.slice(1)] : []));
    expect(new Set(copied)).toEqual(new Set(allowed));
  });

  test('runs the major version of Node that we test on, and not as root', () => {
    const pinned = (JSON.parse(read('package.json')) as { devDependencies: { node: string } }).devDependencies.node;
    const images = [...text.matchAll(/^FROM node:(\d+)/gm)].map(([, major]) => major);
    expect(new Set(images)).toEqual(new Set([pinned.split('.')[0]]));
    expect(text).toMatch(/^USER node$/m);
  });
});
