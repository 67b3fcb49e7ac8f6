//! The actions of SQS: what requests ask for, operations carry out, faults strike and metrics count.

/// Each action once: its name is that of SQS.
macro_rules! actions {
    ($($name:ident),+ $(,)?) => {
        /// An action of SQS.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub(crate) enum Action {
            $($name),+
        }

        impl Action {
            /// Every action, in the order of their names.
            pub(crate) const ALL: &[Self] = &[$(Self::$name),+];

            /// The name on the wire.
            pub(crate) const fn name(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($name)),+
                }
            }

            /// The action of this name, if SQS has it.
            pub(crate) fn parse(name: &str) -> Option<Self> {
                match name {
                    $(stringify!($name) => Some(Self::$name),)+
                    _ => None,
                }
            }
        }
    };
}

actions!(
    AddPermission,
    CancelMessageMoveTask,
    ChangeMessageVisibility,
    ChangeMessageVisibilityBatch,
    CreateQueue,
    DeleteMessage,
    DeleteMessageBatch,
    DeleteQueue,
    GetQueueAttributes,
    GetQueueUrl,
    ListDeadLetterSourceQueues,
    ListMessageMoveTasks,
    ListQueueTags,
    ListQueues,
    PurgeQueue,
    ReceiveMessage,
    RemovePermission,
    SendMessage,
    SendMessageBatch,
    SetQueueAttributes,
    StartMessageMoveTask,
    TagQueue,
    UntagQueue,
);

impl Action {
    /// Whether it is one of the actions on several messages at once.
    pub(crate) const fn is_batch(self) -> bool {
        matches!(self, Self::ChangeMessageVisibilityBatch | Self::DeleteMessageBatch | Self::SendMessageBatch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_action_is_found_by_its_name_and_nothing_else_is() {
        for action in Action::ALL {
            assert_eq!(Action::parse(action.name()), Some(*action));
        }
        for name in ["", "DropQueue", "sendmessage", "SendMessage "] {
            assert_eq!(Action::parse(name), None, "{name:?}");
        }
    }
}
