import { setImmediate } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { createInProcessBus } from '#events/inProcessBus.ts';

describe('the in-process bus', () => {
  test('wakes the listeners of the topic, and no others, after the publisher’s turn', async () => {
    const bus = createInProcessBus();
    const heard: string[] = [];
    bus.subscribe('events:a', () => heard.push('first'));
    bus.subscribe('events:a', () => heard.push('second'));
    bus.subscribe('events:b', () => heard.push('other'));
    bus.publish('events:a');
    expect(heard).toEqual([]);
    await setImmediate();
    expect(heard).toEqual(['first', 'second']);
  });

  test('does not wake who has left, even if the wake-up was on its way', async () => {
    const bus = createInProcessBus();
    let heard = 0;
    const listener = () => {
      heard += 1;
    };
    const leave = bus.subscribe('keys', listener);
    bus.subscribe('keys', listener);
    bus.publish('keys');
    leave();
    leave();
    await setImmediate();
    expect(heard).toBe(1);
  });
});
