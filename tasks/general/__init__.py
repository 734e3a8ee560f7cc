"""General ability, beside the blind pairs: POPE, a VQA set of the user's, judged free answers.

Each benchmark is a module with its reader, its prompts and its score; all score stored answers.

Source: Li et al. 2023 (arXiv:2305.10355) for POPE; Antol et al. 2015 (arXiv:1505.00468) for the
accuracy of VQA; Liu et al. 2023 (arXiv:2304.08485) for answers that a language model judges.
"""
