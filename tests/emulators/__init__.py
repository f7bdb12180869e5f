"""ESPs that others emulate, from the npm registry: installed, started, and looked at.

package.json says which, package-lock.json which bytes. To move to other versions change the first,
and run `npm install --package-lock-only --ignore-scripts --omit-lockfile-registry-resolved` here.
"""
