import { createHash } from 'node:crypto'

/** A script that runs on the server as one step. All its keys have one hash tag. */
export interface LuaScript {
  /** For messages. */
  readonly name: string
  readonly lua: string
  /** What the server knows it by. */
  readonly sha1: string
}

export const luaScript = (name: string, lua: string): LuaScript => ({
  name,
  lua,
  sha1: createHash('sha1').update(lua).digest('hex'),
})
