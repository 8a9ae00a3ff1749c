#!/usr/bin/env bash
# Reads every script of the repository without running it.
set -euo pipefail
cd "$(dirname "$0")/.."

mapfile -t shell < <(git ls-files '*.sh' .ci/run)
for script in "${shell[@]}"; do
  case "$(head -n 1 "$script")" in
    *bash) bash -n "$script" ;;
    *) sh -n "$script" ;;
  esac
  [ -x "$script" ] || { echo "lint: $script is not executable" >&2; exit 1; }
done
if command -v shellcheck >/dev/null; then
  shellcheck "${shell[@]}"
else
  echo "lint: shellcheck is not installed: only the syntax of ${#shell[@]} shell scripts was checked"
fi

git ls-files -z '*.py' | xargs -0 -r python3 -c '
import ast, sys
for path in sys.argv[1:]:
    ast.parse(open(path, encoding="utf-8").read(), path)
'
