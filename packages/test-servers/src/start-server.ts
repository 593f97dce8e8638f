import { startDockerServer } from './docker-server.js'
import { findServer } from './find-server.js'
import { startLocalServer } from './local-server.js'
import type { ServerRecipe } from './server-recipe.js'
import type { TestServer } from './test-server.js'
import { useUrlServer } from './url-server.js'

/** Starts or reaches a server from the first source that works. */
export async function startServer(recipe: ServerRecipe, isPrivate: boolean): Promise<TestServer> {
  const options = { private: isPrivate, env: process.env, onInstall: () => {} }
  const found = await findServer(recipe.kind, options)
  switch (found.source) {
    case 'url':
      return useUrlServer(found.url, recipe)
    case 'docker':
      return startDockerServer(recipe)
    case 'path':
    case 'apt':
      return startLocalServer(found, recipe)
  }
}
