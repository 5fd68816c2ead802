# Each stage says where it may run, and what it needs there.
set -e

whatsnext tasks create split --label desk --command "
    sh -c 'echo \"[3, 5, 7]\" >\"\$WHATSNEXT_RESULT\"'"

whatsnext tasks create train --label cluster --cpu 2 --memory 200M --timeout 10m --command "
    sh -c 'echo \"seed \$1 on \$SLURMD_NODENAME\"; expr \$1 \"*\" 2 >\"\$WHATSNEXT_RESULT\"' sh {seed}"

whatsnext tasks create score --label containers --option docker.image=busybox --option docker.network=none --command "
    sh -c 'test -e /.dockerenv && echo in a container; expr \$1 + \$2 + \$3 >\"\$WHATSNEXT_RESULT\"' sh {a} {b} {c}"

whatsnext tasks create report --label desk --command "
    echo 'The scores add up to' {score}"
