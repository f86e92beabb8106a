"""The search for z: minibatches, the ask/tell loop, early stopping, selection on validation images."""
