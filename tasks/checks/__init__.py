"""Checks of proposed questions, whoever wrote them.

Put here: one module a kind of check, and the policy that says what follows from them.
Keep out: running them on a store (`tasks.questions.checking`).
"""
