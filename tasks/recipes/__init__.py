"""Recipes: which parts a model is made of and how each stage goes, as JSON files beside this one.

Put here: the public names.
Keep out: the training itself (`tasks.training`), the model (`tasks.mof`).
"""

from tasks.recipes.recipe import Recipe, StageRecipe, load_recipe, recipe_names, template_text

__all__ = ["Recipe", "StageRecipe", "load_recipe", "recipe_names", "template_text"]
