"""The source document's faces, by their names: stateful controllers and a simulation over the program's one formula.

Numbers come in as people write them in Python (see `arguments`). Every result is whole wei.
"""

from app.controllers.fee_controller import AlphaFeeController, FeeController
from app.controllers.simulation_engine import AlphaSimulationEngine, SimulationResult

__all__ = ["AlphaFeeController", "AlphaSimulationEngine", "FeeController", "SimulationResult"]
