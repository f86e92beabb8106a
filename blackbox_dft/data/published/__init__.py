"""Published data sets (LFW, CelebA, MUCT), read in the form in which they are downloaded: ``NAME:DIR``."""
