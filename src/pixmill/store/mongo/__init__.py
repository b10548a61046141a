"""The archive in MongoDB: its facts as documents, its bytes in GridFS. A plain server is enough."""
