#!/bin/bash
# A real Slurm of one host on loopback, for the tests: no accounting, no
# systemd. As root on Debian or Ubuntu:
#
#   source tests/slurm/start.sh      installs what is missing, starts, and
#                                    exports SLURM_CONF; its status tells
#                                    whether a Slurm answers
#   kill $(cat $MEDFM_SLURM/*.pid)   stops it
#
# MEDFM_SLURM, where it is set, is the folder that it lives in. Its daemons
# listen on 127.0.0.1 alone.
# Two partitions, low (the default) and high, which preempts low.

for name in slurmctld slurmd munged sbatch; do
  command -v $name > /dev/null && continue
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq \
    munge slurmctld slurmd slurm-client
  break
done

export MEDFM_SLURM=${MEDFM_SLURM:-$(mktemp -d)}
export SLURM_CONF=$MEDFM_SLURM/slurm.conf
mkdir -p "$MEDFM_SLURM/state" "$MEDFM_SLURM/spool"
chmod 755 "$MEDFM_SLURM"

if ! munge -n > /dev/null 2>&1; then
  [ -e /etc/munge/munge.key ] || /usr/sbin/mungekey --create
  mkdir -p /run/munge
  chown munge: /run/munge /etc/munge/munge.key
  (cd / && runuser -u munge -- /usr/sbin/munged)
fi

cat > "$SLURM_CONF" <<CONF
ClusterName=medfm
SlurmctldHost=$(hostname -s)(127.0.0.1)
SlurmUser=root
AuthType=auth/munge
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
SchedulerParameters=sched_interval=1,bf_interval=1,batch_sched_delay=0
SlurmdParameters=config_overrides
OverTimeLimit=0
KillWait=5
ReturnToService=2
StateSaveLocation=$MEDFM_SLURM/state
SlurmdSpoolDir=$MEDFM_SLURM/spool
SlurmctldPidFile=$MEDFM_SLURM/slurmctld.pid
SlurmdPidFile=$MEDFM_SLURM/slurmd.pid
SlurmctldLogFile=$MEDFM_SLURM/slurmctld.log
SlurmdLogFile=$MEDFM_SLURM/slurmd.log
NodeName=$(hostname -s) NodeAddr=127.0.0.1 CPUs=4 State=UNKNOWN
PartitionName=low Nodes=ALL Default=YES PriorityTier=1 GraceTime=20
PartitionName=high Nodes=ALL PriorityTier=10
CONF

/usr/sbin/slurmctld
/usr/sbin/slurmd
for _ in $(seq 60); do
  sinfo -h -o %t 2> /dev/null | grep -q idle && break
  sleep 1
done
sinfo
sinfo -h -o %t | grep -q idle
