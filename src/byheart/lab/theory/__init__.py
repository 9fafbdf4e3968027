"""The mathematics: the solvable model in closed form, Gaussian laws, random matrices."""
