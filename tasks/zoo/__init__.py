"""A list of dual encoders scored on MMVP-VLM, beside their sizes and their ImageNet accuracy.

Source: Tong et al. 2024 (arXiv:2401.06209), Table 1 and Appendix C.
"""
