/** The border to native code: whatever it throws leaves it as an error of this package. */
import { nativeError } from './native-error.js';

type Callable = (...args: unknown[]) => unknown;
type Class = new (...args: never[]) => object;

/** Methods that call back: errors of the caller's own functions are not the native side's to word. */
const callsBack = new Set(['together']);

/** The same exports, with classes and functions whose errors `nativeError` has translated. */
export function guardAddon<Addon extends object>(addon: Addon): Addon {
  const guarded = Object.entries(addon).map(([name, exported]: [string, unknown]) => {
    if (typeof exported !== 'function') return [name, exported];
    return [name, isClass(exported) ? guardClass(exported) : guardCall(exported as Callable)];
  });
  return Object.fromEntries(guarded) as Addon;
}

/** Node-API's classes have methods, its functions have none. */
function isClass(exported: unknown): exported is Class {
  const { prototype } = exported as { prototype?: object };
  return prototype !== undefined && Object.getOwnPropertyNames(prototype).length > 1;
}

/** Methods of native classes cannot be replaced: those of a class derived from them stand in front. */
function guardClass(Native: Class): Class {
  class Guarded extends (Native as new (...args: unknown[]) => object) {
    constructor(...args: unknown[]) {
      try {
        super(...args);
      } catch (error) {
        throw nativeError(error);
      }
    }
  }
  for (const name of Object.getOwnPropertyNames(Native.prototype)) {
    const method = (Native.prototype as Record<string, unknown>)[name];
    if (name === 'constructor' || callsBack.has(name) || typeof method !== 'function') continue;
    Object.defineProperty(Guarded.prototype, name, { value: guardCall(method as Callable) });
  }
  return Guarded;
}

function guardCall(call: Callable): Callable {
  return function (this: unknown, ...args: unknown[]) {
    try {
      return call.apply(this, args);
    } catch (error) {
      throw nativeError(error);
    }
  };
}
