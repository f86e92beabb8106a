"""The search for z: minibatches, the loop of ask and tell, early stopping, the choice on held-back images."""
