"""Why a job stands where it stands."""
