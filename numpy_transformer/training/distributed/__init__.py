"""One run on several processes, called ranks: on one machine or many, through MPI, or through NCCL between GPUs.

Rank 0 leads: it is train.py as ever, with its folder, its clock and its display, and it alone decides. The others
follow: they hold the same model and the same text, and take part in each step that rank 0 makes.

    ranks.py         what ranks can do with each other; open_ranks.py: how a process becomes one
    mpi.py, nccl.py  the engines that do it; star.py: small messages where there is no MPI
    buckets.py       sums over ranks that begin while the backward still runs
    rank_workers.py  a step on the CPUs of all ranks; rank_gpu_step.py: on their GPUs
    leading.py       what rank 0 does beyond train.py; following.py: what the others do
    agreement.py     whether all were started with the same options, code and text
    watch.py         the end of all when one of them dies; watchman.py: the process that sees it
"""
