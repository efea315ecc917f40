"""Which operations TensorFlow ran, for tests of where a pass ends."""

from tensorflow.python.eager import context


def operations(run):
    """Return the types of the operations that ran within a call."""
    context.enable_run_metadata()
    try:
        # What has run since somebody enabled it before is kept too.
        context.export_run_metadata()
        run()
        graphs = context.export_run_metadata().partition_graphs
    finally:
        context.disable_run_metadata()
    return [node.op for graph in graphs for node in graph.node]
