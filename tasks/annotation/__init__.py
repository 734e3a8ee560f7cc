"""People write questions about pairs, check each other's, settle disputes, and take the test.

What people do are events (`acts`, `journal`); what stands is a fold over them (`state`). Who gets
what next (`queue`), what counts as agreed (`standing`, `agreement`) and what comes out (`outcome`,
`study`) are functions of that state.
"""
