# Read by the launchers beside it: becomes the process $program, whose main file is in the folder $part. `exec`, so that there is one
# process only, and signals, exit codes and `kill -9` are its own.

root=$(dirname "$here")

# True for a Node that runs here and is new enough. The platform package's binary may be there and not run: Alpine has another C library.
is_new_enough() {
  version=$("$1" --version 2>/dev/null) || return 1
  version=${version#v}
  [ "${version%%.*}" -ge 24 ] 2>/dev/null
}

case $(uname -m) in
  x86_64) arch=x64 ;;
  aarch64 | arm64) arch=arm64 ;;
  *) arch=unknown ;;
esac

if [ -n "${LOGFLEET_NODE:-}" ]; then
  is_new_enough "$LOGFLEET_NODE" || {
    echo "$program: LOGFLEET_NODE=$LOGFLEET_NODE is not a Node.js 24 or newer." >&2
    exit 1
  }
  node=$LOGFLEET_NODE
else
  node=
  # Below the package, or beside it where npm has moved it up.
  for candidate in "$root/node_modules/node-linux-$arch/bin/node" "$root/../node-linux-$arch/bin/node" node; do
    if is_new_enough "$candidate"; then
      node=$candidate
      break
    fi
  done
  if [ -z "$node" ]; then
    echo "$program: no Node.js 24 or newer found: install it, or name it in LOGFLEET_NODE." >&2
    exit 1
  fi
fi

# The published package has dist/ and no sources, for Node refuses to strip types below node_modules; a checkout has the sources.
main=$root/$part/main.ts
[ -f "$main" ] || main=$root/dist/$part/main.js
if [ ! -f "$main" ]; then
  echo "$program: $root/$part/main.ts is missing." >&2
  exit 1
fi

# Compiled code is kept from start to start: 0.2 s less each time.
if [ -n "${HOME:-}" ]; then
  NODE_COMPILE_CACHE=${NODE_COMPILE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/logfleet}
  export NODE_COMPILE_CACHE
fi

# DEP0123: gRPC names the server to TLS, also when that is an address.
# shellcheck disable=SC2086 # Flags, none with a blank.
exec "$node" ${node_flags:-} --disable-warning=ExperimentalWarning --disable-warning=DEP0123 "$main" "$@"
