"""A real Apache Kafka for the tests: no container, only Java and Maven."""

from tests.programs.apache_kafka.class_path import NoApacheKafka, class_path
from tests.programs.apache_kafka.node import SUPERUSER, ApacheKafka, Listener

__all__ = ["SUPERUSER", "ApacheKafka", "Listener", "NoApacheKafka", "class_path"]
