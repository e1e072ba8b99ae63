"""What the warehouse holds, kind by kind, for the report."""

import dataclasses

import duckdb


@dataclasses.dataclass(frozen=True)
class Holding:
    """What the warehouse holds of one kind: resources of a type, images of a modality, a table."""

    name: str
    resources: int
    rows: int
    sources: int
    subjects: int


def holdings_of(connection: duckdb.DuckDBPyConnection) -> tuple[Holding, ...]:
    """Types of FHIR resources, then modalities of images, the most frequent first; then tables."""
    fhir = connection.execute(
        """
        SELECT resource_type, count(DISTINCT resource_id), count(*),
               count(DISTINCT source_id), count(DISTINCT subject_id)
        FROM events GROUP BY ALL ORDER BY 2 DESC, 1
        """
    ).fetchall()
    dicom = connection.execute(
        """
        SELECT 'DICOM ' || coalesce(modality, 'of no modality'), count(DISTINCT instance_id),
               count(*), count(DISTINCT source_id), count(DISTINCT subject_id)
        FROM images GROUP BY ALL ORDER BY 2 DESC, 1
        """
    ).fetchall()
    tables = connection.execute(
        """
        SELECT 'molecules: ' || kind, count(*), count(*), count(DISTINCT source_id), 0
        FROM molecules GROUP BY ALL
        UNION ALL
        SELECT 'pairs', count(*), count(*), count(DISTINCT source_id), 0
        FROM pairs HAVING count(*) > 0
        UNION ALL
        SELECT 'counts: ' || series, count(DISTINCT region_id), count(*),
               count(DISTINCT source_id), 0
        FROM counts GROUP BY series
        UNION ALL
        SELECT 'labels: ' || model, count(*), count(*), count(DISTINCT source_id),
               count(DISTINCT subject_id)
        FROM labels GROUP BY model
        ORDER BY 1
        """
    ).fetchall()
    return tuple(Holding(*row) for row in fhir + dicom + tables)
