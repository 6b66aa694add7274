/**
 * A broker's address that a test can break at the moment that matters: after the broker has done a request and before
 * the client has heard of it. Speaks enough of the protocol to know which answer belongs to which request, and names
 * itself where the broker tells its own address.
 */
import { once } from 'node:events';
import { createConnection, createServer, type Socket } from 'node:net';

const apiKeys = { produce: 0, fetch: 1, offsetCommit: 8, heartbeat: 12, endTxn: 26 } as const;
export type Api = keyof typeof apiKeys;

export interface KafkaProxy {
  readonly brokers: string;
  /** The next answers to this kind of request are lost with their connection; settles when the last one was. */
  loseAnswers(api: Api, count: number): Promise<void>;
  /** Breaks every connection, and the next so many as soon as they are made; settles when the last one was. */
  refuse(count: number): Promise<void>;
  cut(): Promise<void>;
  restore(): Promise<void>;
  close(): Promise<void>;
}

/** Cuts a byte stream at its four-byte length prefixes. */
function framing(each: (frame: Buffer) => void): (chunk: Buffer) => void {
  let rest = Buffer.alloc(0);
  return (chunk) => {
    rest = Buffer.concat([rest, chunk]);
    while (rest.length >= 4 && rest.length >= 4 + rest.readInt32BE(0)) {
      const end = 4 + rest.readInt32BE(0);
      each(rest.subarray(0, end));
      rest = rest.subarray(end);
    }
  };
}

export async function openKafkaProxy(broker: string): Promise<KafkaProxy> {
  const [host = '', brokerPort = ''] = broker.split(':');
  const sockets = new Set<Socket>();
  let losing: { api: number; left: number; done: () => void } | undefined;
  let refusing: { left: number; done: () => void } | undefined;
  let port = 0;

  const address = (at: number): Buffer => {
    const bytes = Buffer.alloc(2 + host.length + 4);
    bytes.writeInt16BE(host.length, 0);
    bytes.write(host, 2);
    bytes.writeInt32BE(at, 2 + host.length);
    return bytes;
  };
  const rename = (frame: Buffer): Buffer => {
    const renamed = Buffer.from(frame);
    const theirs = address(Number(brokerPort));
    for (let at = renamed.indexOf(theirs); at >= 0; at = renamed.indexOf(theirs, at + 1))
      address(port).copy(renamed, at);
    return renamed;
  };

  const server = createServer((near) => {
    if (refusing !== undefined && refusing.left > 0) {
      refusing.left -= 1;
      near.on('error', () => near.destroy()).destroy();
      if (refusing.left === 0) refusing.done();
      return;
    }
    const far = createConnection(Number(brokerPort), host);
    const asked = new Map<number, number>();
    for (const [socket, other] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(socket);
      socket.on('error', () => socket.destroy());
      socket.on('close', () => {
        sockets.delete(socket);
        other.destroy();
      });
    }
    near.on(
      'data',
      framing((frame) => {
        asked.set(frame.readInt32BE(8), frame.readInt16BE(4));
        far.write(frame);
      }),
    );
    far.on(
      'data',
      framing((frame) => {
        const id = frame.readInt32BE(4);
        const api = asked.get(id);
        asked.delete(id);
        if (losing !== undefined && api === losing.api && losing.left > 0) {
          losing.left -= 1;
          near.destroy();
          if (losing.left === 0) losing.done();
        } else if (!near.destroyed) near.write(rename(frame));
      }),
    );
  });
  const listen = async (): Promise<void> => {
    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
    const bound = server.address();
    if (typeof bound === 'object' && bound !== null) port = bound.port;
  };
  const cut = async (): Promise<void> => {
    if (!server.listening) return;
    const closed = once(server, 'close');
    server.close();
    for (const socket of sockets) socket.destroy();
    await closed;
  };
  await listen();
  return {
    brokers: `127.0.0.1:${port}`,
    loseAnswers: (api, count) =>
      new Promise((resolve) => {
        losing = { api: apiKeys[api], left: count, done: resolve };
      }),
    refuse: (count) =>
      new Promise((resolve) => {
        refusing = { left: count, done: resolve };
        for (const socket of sockets) socket.destroy();
      }),
    cut,
    restore: listen,
    close: cut,
  };
}
